-- The first month in which a refund voucher was used in Nigeria, by the order system.
SELECT TOP (1)
    CAST(i.[company] AS nvarchar(20)) AS company_code,
    CAST(v.[Business_Use] AS nvarchar(30)) AS business_use,
    CAST(YEAR(i.[created_at]) * 100 + MONTH(i.[created_at]) AS int) AS usage_month,
    CAST(SUM(i.[store_credit_amount]) AS decimal(38, 4)) AS used_amount_lcy
FROM [STG_AIG_NAV_JUMIA_REC].[OMS].[SALES_ORDER_ITEM] AS i
INNER JOIN [AIG_Nav_Jumia_Reconciliation].[dbo].[StoreCreditVoucher] AS v
    ON v.[ID_Company] = i.[company] AND v.[Voucher_Code] = i.[store_credit_code]
WHERE i.[created_at] < @cutoff
    AND i.[company] = N'EC_NG'
    AND v.[Business_Use] = N'refund'
GROUP BY i.[company], v.[Business_Use], YEAR(i.[created_at]) * 100 + MONTH(i.[created_at])
ORDER BY YEAR(i.[created_at]) * 100 + MONTH(i.[created_at])
