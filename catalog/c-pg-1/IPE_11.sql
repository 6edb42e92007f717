-- Marketplace revenues earned in the period that no statement to the seller covers yet, or one that ends later.
SELECT
    CAST(t.[ID_COMPANY] AS nvarchar(20)) AS company_code,
    CAST(t.[ID_TRANSACTION] AS bigint) AS transaction_id,
    CAST(a.[G/L_Account_No] AS nvarchar(20)) AS gl_account,
    CAST(t.[COD_SELLER] AS nvarchar(20)) AS seller_code,
    CAST(v.[DSC_VENDOR_NAME] AS nvarchar(100)) AS seller_name,
    CAST(v.[DSC_LEGAL_FORM] AS nvarchar(50)) AS seller_legal_form,
    CAST(t.[DSC_TRANSACTION_TYPE] AS nvarchar(50)) AS transaction_type,
    CAST(a.[ASG_Level_1] AS nvarchar(50)) AS reporting_group,
    CAST(a.[ASG_Level_2] AS nvarchar(50)) AS reporting_subgroup,
    CAST(t.[DAT_TRANSACTION] AS datetime) AS transacted_at,
    CAST(r.[CREATED_AT] AS datetime2(7)) AS recorded_at,
    CAST(t.[COD_ORDER_ITEM] AS bigint) AS order_item_id,
    CAST(t.[ID_STATEMENT] AS bigint) AS statement_id,
    CAST(st.[DAT_END] AS datetime) AS statement_ends_at,
    CAST(CASE WHEN st.[ID_STATEMENT] IS NULL THEN N'no statement' ELSE N'statement ends later' END AS nvarchar(30)) AS accrual_reason,
    CAST(t.[AMT_TRANSACTION (LCY)] AS decimal(38, 20)) AS accrued_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_TRANSACTIONS_SELLER] AS t
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[GDOC_DIM_ASG_V2] AS a
    ON a.[Transaction_Type] = t.[DSC_TRANSACTION_TYPE]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = t.[ID_COMPANY]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[RING].[RPT_ACCOUNTSTATEMENTS] AS st
    ON st.[ID_COMPANY] = t.[ID_COMPANY] AND st.[ID_STATEMENT] = t.[ID_STATEMENT]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_VENDORS] AS v
    ON v.[ID_COMPANY] = t.[ID_COMPANY] AND v.[COD_SELLER] = t.[COD_SELLER]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[RING].[RPT_TRANSACTIONS] AS r
    ON r.[ID_COMPANY] = t.[ID_COMPANY] AND r.[ID_TRANSACTION] = t.[ID_TRANSACTION]
WHERE t.[DAT_TRANSACTION] >= @period_start
    AND t.[DAT_TRANSACTION] < @cutoff
    AND (st.[ID_STATEMENT] IS NULL OR st.[DAT_END] >= @cutoff)
    AND t.[DSC_TRANSACTION_TYPE] IN (@transaction_types)
    AND a.[G/L_Account_No] = @account
    AND dc.[Flg_In_Conso_Scope] = @in_scope
