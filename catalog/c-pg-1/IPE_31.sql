-- What collection partners have collected, by how far it has come: at the partner (open), paid but not yet deposited,
-- deposited but not yet at the bank (both in progress), and what reached the bank in the period (paid).
WITH packlist_amount AS (
    SELECT
        k.[ID_Company],
        k.[Packlist_No],
        COUNT(*) AS package_count,
        SUM(k.[Amount_To_Collect]) AS amount_lcy
    FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_PACKAGES] AS k
    GROUP BY k.[ID_Company], k.[Packlist_No]
)
SELECT
    CAST(p.[ID_Company] AS nvarchar(20)) AS company_code,
    CAST(p.[Packlist_No] AS nvarchar(30)) AS packlist_number,
    CAST(N'open' AS nvarchar(20)) AS status,
    CAST(p.[Open_Account_No] AS nvarchar(20)) AS gl_account,
    CAST(p.[Packlist_No] AS nvarchar(30)) AS document_number,
    CAST(p.[Closed_At] AS datetime) AS document_date,
    CAST(cp.[Partner_Id] AS int) AS partner_id,
    CAST(cp.[Partner_Name] AS nvarchar(100)) AS partner_name,
    CAST(cp.[Partner_Type] AS nvarchar(30)) AS partner_type,
    CAST(cp.[ERP_Code] AS nvarchar(20)) AS partner_erp_code,
    CAST(NULL AS nvarchar(20)) AS bank_account_number,
    CAST(NULL AS nvarchar(50)) AS deposit_slip,
    CAST(a.package_count AS int) AS package_count,
    CAST(0 AS decimal(38, 20)) AS reallocated_amount_lcy,
    CAST(a.amount_lcy AS decimal(38, 20)) AS collected_amount_lcy,
    CAST(a.amount_lcy AS decimal(38, 20)) AS outstanding_amount_lcy
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_COLLECTIONS] AS p
INNER JOIN packlist_amount AS a
    ON a.[ID_Company] = p.[ID_Company] AND a.[Packlist_No] = p.[Packlist_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_COLLECTIONPARTNERS] AS cp
    ON cp.[ID_Company] = p.[ID_Company] AND cp.[Partner_Id] = p.[Partner_Id]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = p.[ID_Company]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_PAYMENTS] AS pay
    ON pay.[ID_Company] = p.[ID_Company]
    AND pay.[Packlist_No] = p.[Packlist_No]
    AND pay.[Payment_Date] < @cutoff
WHERE p.[Closed_At] < @cutoff
    AND pay.[Payment_No] IS NULL
    AND p.[Open_Account_No] IN (@accounts)
    AND dc.[Flg_In_Conso_Scope] = @in_scope

UNION ALL

SELECT
    CAST(pay.[ID_Company] AS nvarchar(20)),
    CAST(pay.[Packlist_No] AS nvarchar(30)),
    CAST(N'not deposited' AS nvarchar(20)),
    CAST(ba.[G/L_Account_No] AS nvarchar(20)),
    CAST(pay.[Payment_No] AS nvarchar(30)),
    CAST(pay.[Payment_Date] AS datetime),
    CAST(cp.[Partner_Id] AS int),
    CAST(cp.[Partner_Name] AS nvarchar(100)),
    CAST(cp.[Partner_Type] AS nvarchar(30)),
    CAST(cp.[ERP_Code] AS nvarchar(20)),
    CAST(ba.[No_] AS nvarchar(20)),
    CAST(NULL AS nvarchar(50)),
    CAST(a.package_count AS int),
    CAST(ISNULL(re.amount_lcy, 0) AS decimal(38, 20)),
    CAST(pay.[Amount] AS decimal(38, 20)),
    CAST(pay.[Amount] AS decimal(38, 20))
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_PAYMENTS] AS pay
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_COLLECTIONS] AS p
    ON p.[ID_Company] = pay.[ID_Company] AND p.[Packlist_No] = pay.[Packlist_No]
INNER JOIN packlist_amount AS a
    ON a.[ID_Company] = pay.[ID_Company] AND a.[Packlist_No] = pay.[Packlist_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_COLLECTIONPARTNERS] AS cp
    ON cp.[ID_Company] = p.[ID_Company] AND cp.[Partner_Id] = p.[Partner_Id]
INNER JOIN [AIG_Nav_DW].[dbo].[Bank Accounts] AS ba
    ON ba.[id_company] = cp.[ID_Company] AND ba.[No_] = cp.[Bank_Account_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = pay.[ID_Company]
LEFT JOIN (
    SELECT r.[ID_Company], r.[Payment_No], SUM(r.[Amount]) AS amount_lcy
    FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHREC_REALLOCATIONS] AS r
    WHERE r.[Reallocation_Date] < @cutoff
    GROUP BY r.[ID_Company], r.[Payment_No]
) AS re
    ON re.[ID_Company] = pay.[ID_Company] AND re.[Payment_No] = pay.[Payment_No]
WHERE pay.[Payment_Date] < @cutoff
    AND pay.[Cashdeposit_No] IS NULL
    AND ba.[G/L_Account_No] IN (@accounts)
    AND dc.[Flg_In_Conso_Scope] = @in_scope

UNION ALL

SELECT
    CAST(pay.[ID_Company] AS nvarchar(20)),
    CAST(pay.[Packlist_No] AS nvarchar(30)),
    CAST(N'deposited' AS nvarchar(20)),
    CAST(ba.[G/L_Account_No] AS nvarchar(20)),
    CAST(d.[Cashdeposit_No] AS nvarchar(30)),
    CAST(d.[Deposit_Date] AS datetime),
    CAST(cp.[Partner_Id] AS int),
    CAST(cp.[Partner_Name] AS nvarchar(100)),
    CAST(cp.[Partner_Type] AS nvarchar(30)),
    CAST(cp.[ERP_Code] AS nvarchar(20)),
    CAST(ba.[No_] AS nvarchar(20)),
    CAST(d.[Deposit_Slip/Ref] AS nvarchar(50)),
    CAST(a.package_count AS int),
    CAST(ISNULL(re.amount_lcy, 0) AS decimal(38, 20)),
    CAST(d.[Amount] AS decimal(38, 20)),
    CAST(d.[Amount] AS decimal(38, 20))
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHDEPOSIT] AS d
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_PAYMENTS] AS pay
    ON pay.[ID_Company] = d.[ID_Company] AND pay.[Cashdeposit_No] = d.[Cashdeposit_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_COLLECTIONS] AS p
    ON p.[ID_Company] = pay.[ID_Company] AND p.[Packlist_No] = pay.[Packlist_No]
INNER JOIN packlist_amount AS a
    ON a.[ID_Company] = pay.[ID_Company] AND a.[Packlist_No] = pay.[Packlist_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_COLLECTIONPARTNERS] AS cp
    ON cp.[ID_Company] = p.[ID_Company] AND cp.[Partner_Id] = p.[Partner_Id]
INNER JOIN [AIG_Nav_DW].[dbo].[Bank Accounts] AS ba
    ON ba.[id_company] = cp.[ID_Company] AND ba.[No_] = cp.[Bank_Account_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = d.[ID_Company]
LEFT JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHREC_TRANSACTION] AS t
    ON t.[ID_Company] = d.[ID_Company]
    AND t.[Cashdeposit_No] = d.[Cashdeposit_No]
    AND t.[Transaction_Date] < @cutoff
LEFT JOIN (
    SELECT r.[ID_Company], r.[Payment_No], SUM(r.[Amount]) AS amount_lcy
    FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHREC_REALLOCATIONS] AS r
    WHERE r.[Reallocation_Date] < @cutoff
    GROUP BY r.[ID_Company], r.[Payment_No]
) AS re
    ON re.[ID_Company] = pay.[ID_Company] AND re.[Payment_No] = pay.[Payment_No]
WHERE d.[Deposit_Date] < @cutoff
    AND t.[Transaction_No] IS NULL
    AND ba.[G/L_Account_No] IN (@accounts)
    AND dc.[Flg_In_Conso_Scope] = @in_scope

UNION ALL

SELECT
    CAST(t.[ID_Company] AS nvarchar(20)),
    CAST(pay.[Packlist_No] AS nvarchar(30)),
    CAST(N'paid' AS nvarchar(20)),
    CAST(ba.[G/L_Account_No] AS nvarchar(20)),
    CAST(t.[Transaction_No] AS nvarchar(30)),
    CAST(t.[Transaction_Date] AS datetime),
    CAST(cp.[Partner_Id] AS int),
    CAST(cp.[Partner_Name] AS nvarchar(100)),
    CAST(cp.[Partner_Type] AS nvarchar(30)),
    CAST(cp.[ERP_Code] AS nvarchar(20)),
    CAST(ba.[No_] AS nvarchar(20)),
    CAST(d.[Deposit_Slip/Ref] AS nvarchar(50)),
    CAST(a.package_count AS int),
    CAST(ISNULL(re.amount_lcy, 0) AS decimal(38, 20)),
    CAST(t.[Amount] AS decimal(38, 20)),
    CAST(0 AS decimal(38, 20))
FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHREC_TRANSACTION] AS t
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHDEPOSIT] AS d
    ON d.[ID_Company] = t.[ID_Company] AND d.[Cashdeposit_No] = t.[Cashdeposit_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_PAYMENTS] AS pay
    ON pay.[ID_Company] = d.[ID_Company] AND pay.[Cashdeposit_No] = d.[Cashdeposit_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_PACKLIST_COLLECTIONS] AS p
    ON p.[ID_Company] = pay.[ID_Company] AND p.[Packlist_No] = pay.[Packlist_No]
INNER JOIN packlist_amount AS a
    ON a.[ID_Company] = pay.[ID_Company] AND a.[Packlist_No] = pay.[Packlist_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_COLLECTIONPARTNERS] AS cp
    ON cp.[ID_Company] = p.[ID_Company] AND cp.[Partner_Id] = p.[Partner_Id]
INNER JOIN [AIG_Nav_DW].[dbo].[Bank Accounts] AS ba
    ON ba.[id_company] = t.[ID_Company] AND ba.[No_] = t.[Bank_Account_No]
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[fdw].[Dim_Company] AS dc
    ON dc.[Company_Code] = t.[ID_Company]
LEFT JOIN (
    SELECT r.[ID_Company], r.[Payment_No], SUM(r.[Amount]) AS amount_lcy
    FROM [AIG_Nav_Jumia_Reconciliation].[dbo].[RPT_CASHREC_REALLOCATIONS] AS r
    WHERE r.[Reallocation_Date] < @cutoff
    GROUP BY r.[ID_Company], r.[Payment_No]
) AS re
    ON re.[ID_Company] = pay.[ID_Company] AND re.[Payment_No] = pay.[Payment_No]
WHERE t.[Transaction_Date] >= @period_start
    AND t.[Transaction_Date] < @cutoff
    AND ba.[G/L_Account_No] IN (@accounts)
    AND dc.[Flg_In_Conso_Scope] = @in_scope
